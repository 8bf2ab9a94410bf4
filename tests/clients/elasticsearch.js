// The official client of Elasticsearch: the bulk helper over a hundred documents; prints what it says of them.
const { Client } = require("@elastic/elasticsearch");

const [url, password] = process.argv.slice(2);
const client = new Client({ node: url, auth: { username: "elastic", password }, compression: true, maxRetries: 8 });
const documents = Array.from({ length: 100 }, (_, number) => ({
  id: `n${number}`, number, "@timestamp": new Date().toISOString(), user: { id: `u${number % 7}` }, note: "Köln ☕",
}));

(async () => {
  const info = await client.info();
  const said = await client.helpers.bulk({
    datasource: documents, flushBytes: 4000, retries: 5, wait: 50,
    onDocument: (document) => [{ create: { _index: "shop", _id: document.id } }, document],
  });
  await client.close();
  console.log(JSON.stringify({ version: info.version.number, failed: said.failed, successful: said.successful }));
})();
