// Splunk's own logger: a hundred events one after another, each sent again when the connection breaks.
const { Logger } = require("splunk-logging");

const [url, token] = process.argv.slice(2);
const logger = new Logger({ token, url, maxRetries: 5 });
const failures = [];
logger.error = (error) => failures.push(String(error));

const send = (number) => new Promise((done) => {
  const time = 1790000000 + number / 1000;
  logger.send({
    message: { event: "bought", user_id: `u${number % 7}`, number, note: "Köln ☕" },
    metadata: { time, host: "web-1", source: "shop", sourcetype: "_json", index: "main" },
  }, (error, reply, body) => done(body && body.code));
});

(async () => {
  const codes = [];
  for (let number = 0; number < 100; number++) codes.push(await send(number));
  console.log(JSON.stringify({ failures, codes: [...new Set(codes)] }));
})();
