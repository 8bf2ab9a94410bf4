// The official library of Segment: every kind of call, a hundred tracks in batches of twenty.
const { Analytics } = require("@segment/analytics-node");

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host, maxEventsInBatch: 20, flushInterval: 100, maxRetries: 8 });
const failures = [];
analytics.on("error", (error) => failures.push(String(error.code || error)));

for (let number = 0; number < 100; number++) {
  analytics.track({ userId: `u${number % 7}`, event: "bought", properties: { number, note: "Köln ☕" } });
}
analytics.identify({ userId: "ann", traits: { email: "ann@shop.example" } });
analytics.page({ userId: "ann", name: "Pricing" });
analytics.screen({ userId: "ann", name: "Home" });
analytics.group({ userId: "ann", groupId: "acme" });
analytics.alias({ userId: "ann", previousId: "anon" });

analytics.closeAndFlush({ timeout: 40000 }).then(() => console.log(JSON.stringify({ failures })));
