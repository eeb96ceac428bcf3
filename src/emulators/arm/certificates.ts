import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

import forge from 'node-forge';

/** PEM texts: a certificate authority and a server certificate of its for 127.0.0.1 and localhost. */
export interface ServerCertificate {
  caPem: string;
  certificatePem: string;
  keyPem: string;
}

/** Makes a new authority and server certificate, valid for a year around `nowMs` (real milliseconds). */
export async function createServerCertificate(nowMs: number): Promise<ServerCertificate> {
  const [authorityKeys, serverKeys] = await Promise.all([createKeys(), createKeys()]);
  const authorityName = [{ name: 'commonName', value: 'drover emulator authority' }];
  const authority = createCertificate(nowMs, authorityKeys.publicKey);
  authority.setSubject(authorityName);
  authority.setIssuer(authorityName);
  authority.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  authority.sign(authorityKeys.privateKey, forge.md.sha256.create());
  const server = createCertificate(nowMs, serverKeys.publicKey);
  server.setSubject([{ name: 'commonName', value: 'localhost' }]);
  server.setIssuer(authorityName);
  server.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: [
        { type: DNS_NAME, value: 'localhost' },
        { type: IP_ADDRESS, ip: '127.0.0.1' },
      ],
    },
  ]);
  server.sign(authorityKeys.privateKey, forge.md.sha256.create());
  return {
    caPem: forge.pki.certificateToPem(authority),
    certificatePem: forge.pki.certificateToPem(server),
    keyPem: forge.pki.privateKeyToPem(serverKeys.privateKey),
  };
}

const DNS_NAME = 2;
const IP_ADDRESS = 7;
const HALF_A_YEAR_MS = 182 * 24 * 3600 * 1000;

// node:crypto makes the keys: node-forge's own generator takes seconds.
async function createKeys(): Promise<{
  publicKey: forge.pki.rsa.PublicKey;
  privateKey: forge.pki.rsa.PrivateKey;
}> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return {
    publicKey: forge.pki.publicKeyFromPem(pair.publicKey),
    privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
  };
}

function createCertificate(nowMs: number, publicKey: forge.pki.rsa.PublicKey): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // The leading 01 keeps the serial number positive.
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(nowMs - HALF_A_YEAR_MS);
  certificate.validity.notAfter = new Date(nowMs + HALF_A_YEAR_MS);
  return certificate;
}
