// verify.mjs KEYSET.json [TIME]: reads a JWS on stdin, verifies it with jose and the key set alone, prints what it says
// or why it is refused.
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, jwtVerify } from 'jose';

const [file, time] = process.argv.slice(2);
const keys = createLocalJWKSet(JSON.parse(readFileSync(file, 'utf8')));
const token = readFileSync(0, 'utf8').trim();
try {
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    algorithms: ['ES256'],
    issuer: 'referral',
    typ: 'referral-certificate+jwt',
    requiredClaims: ['exp', 'nbf', 'iat', 'jti', 'sub', 'certificate'],
    currentDate: time ? new Date(time) : new Date(),
  });
  console.log(JSON.stringify({ valid: true, payload, kid: protectedHeader.kid }));
} catch (error) {
  console.log(JSON.stringify({ valid: false, code: error.code, claim: error.claim }));
}
