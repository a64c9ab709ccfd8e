// node check.mjs CONTRACTS GOLDEN - reads schemas and AsyncAPI document from CONTRACTS and the events from GOLDEN;
// prints what is wrong as JSON: one list per library, empty when it has nothing to say.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Parser } from '@asyncapi/parser';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { CloudEvent, HTTP } from 'cloudevents';

const [contracts, golden] = process.argv.slice(2).map((folder) => resolve(folder));
const jsonFiles = (folder) => readdirSync(folder).filter((name) => name.endsWith('.json')).sort();
const read = (folder, name) => readFileSync(join(folder, name), 'utf8');

function checkCloudEvents() {
  const wrong = [];
  for (const name of jsonFiles(golden)) {
    try {
      const body = read(golden, name);
      const event = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' }, body });
      if (!(event instanceof CloudEvent)) throw new Error('is not one event');
      event.validate();
      const written = JSON.parse(body);
      for (const attribute of Object.keys(written))
        if (event[attribute] === undefined) throw new Error(`${attribute} was not read`);
    } catch (error) {
      wrong.push(`${name}: ${error.message} ${JSON.stringify(error.errors ?? '')}`);
    }
  }
  return wrong;
}

function checkSchemas() {
  const wrong = [];
  // strict: an unknown keyword or format is an error
  const ajv = new Ajv2020.default({ strict: true, allErrors: true });
  addFormats.default(ajv);
  const whole = new Map();
  for (const name of jsonFiles(join(contracts, 'schemas'))) {
    try {
      whole.set(name, ajv.compile(JSON.parse(read(join(contracts, 'schemas'), name))));
    } catch (error) {
      wrong.push(`schemas/${name}: ${error.message}`);
    }
  }
  for (const name of jsonFiles(golden)) {
    const event = JSON.parse(read(golden, name));
    const data = ajv.getSchema(event.dataschema);
    for (const [what, validate, value] of [['event', whole.get(name), event], [event.dataschema, data, event.data]])
      if (!validate) wrong.push(`${name}: no schema of the ${what}`);
      else if (!validate(value)) wrong.push(`${name}: ${ajv.errorsText(validate.errors)}`);
  }
  for (const name of whole.keys())
    if (!jsonFiles(golden).includes(name)) wrong.push(`${name}: no golden file`);
  return wrong;
}

async function checkAsyncApi() {
  const file = join(contracts, 'asyncapi.yaml');
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'), { source: file });
  // 0 = error, 1 = warning; below are hints, such as that a newer version of AsyncAPI exists
  const wrong = diagnostics.filter((d) => d.severity <= 1).map((d) => `${d.path.join('.')}: ${d.message}`);
  if (!document) return wrong;
  const described = new Set(document.messages().all().map((message) => message.name()));
  for (const name of jsonFiles(golden))
    if (!described.has(name.replace(/\.json$/, ''))) wrong.push(`${name}: no message in any channel`);
  for (const message of document.messages().all())
    if (!message.payload()?.json().properties?.data) wrong.push(`${message.name()}: its payload was not found`);
  return wrong;
}

console.log(JSON.stringify({
  events: jsonFiles(golden).length,
  cloudEvents: checkCloudEvents(),
  schemas: checkSchemas(),
  asyncApi: await checkAsyncApi(),
}));
