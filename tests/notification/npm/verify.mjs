// node verify.mjs < CASES - each case is one webhook as it was received and a secret: {id, timestamp, signature, body, secret, now}.
// Prints for each case what the two libraries say of it: {standardwebhooks: true, svix: true}. The clock is the case's own.
import { readFileSync } from 'node:fs';
import { Webhook as Standard } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';

const real = Date.now;

function accepts(Library, { id, timestamp, signature, body, secret, now }) {
  Date.now = () => now * 1000;
  try {
    new Library(secret).verify(body, { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signature });
    return true;
  } catch (error) {
    if (error.name !== 'WebhookVerificationError' && error.constructor.name !== 'WebhookVerificationError') throw error;
    return false;
  } finally {
    Date.now = real;
  }
}

const cases = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(cases.map((one) => ({ standardwebhooks: accepts(Standard, one), svix: accepts(Svix, one) }))));
