// The official exporters of OpenTelemetry: a hundred log records in batches of twenty, as JSON or as protobuf.
const [url, token, form] = process.argv.slice(2);
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${form}`);
const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");

const exporter = new OTLPLogExporter({ url, headers: { "api-key": token }, compression: form === "proto" ? "gzip" : "none" });
const results = [];
const recording = {
  export: (records, done) => exporter.export(records, (result) => { results.push(result.code); done(result); }),
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush(),
};
const processor = new BatchLogRecordProcessor({ exporter: recording, maxExportBatchSize: 20, scheduledDelayMillis: 100 });
const logger = new LoggerProvider({ processors: [processor] }).getLogger("shop", "1.0");

for (let number = 0; number < 100; number++) {
  logger.emit({
    severityNumber: 9, severityText: "INFO", body: "Köln ☕", eventName: "bought",
    attributes: { "user.id": `u${number % 7}`, number, price: 0.1, fresh: true, tags: ["a", "b"] },
  });
}

(async () => {
  await processor.forceFlush();
  await processor.shutdown();
  console.log(JSON.stringify({ results: [...new Set(results)] }));
})();
