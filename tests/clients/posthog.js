// The official library of PostHog: a hundred events in batches of fifty, packed.
const { PostHog } = require("posthog-node");

const [host, key] = process.argv.slice(2);
const client = new PostHog(key, { host, flushAt: 50, flushInterval: 100, fetchRetryDelay: 200, fetchRetryCount: 8 });
const failures = [];
client.on("error", (error) => failures.push(String(error)));

for (let number = 0; number < 100; number++) {
  client.capture({ distinctId: `u${number % 7}`, event: "bought", properties: { number, note: "Köln ☕" } });
}
client.shutdown(40000).then(() => console.log(JSON.stringify({ failures })));
