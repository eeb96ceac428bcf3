import { Ec2Error } from './ec2-error.ts';

export interface Ec2Identity {
  accessKeyId: string;
  region: string;
}

const CREDENTIAL =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/\d{8}\/([^/,]+)\/([^/,]+)\/aws4_request, ?SignedHeaders=[^,]+, ?Signature=[0-9a-f]{64}$/;

/**
 * Refuses (AuthFailure) a request that is not signed by SigV4 with the known access key for this region's EC2.
 * The signature itself is not recomputed: the emulator listens at loopback only.
 */
export function checkAuthorization(header: string | undefined, identity: Ec2Identity): void {
  const match = CREDENTIAL.exec(header ?? '');
  if (match === null) throw refusal('The request has no SigV4 Authorization header.');
  const [, accessKeyId, region, service] = match;
  if (accessKeyId !== identity.accessKeyId)
    throw refusal('AWS was not able to validate the provided access credentials');
  if (region !== identity.region || service !== 'ec2') {
    throw refusal(
      `Credential should be scoped to ec2 in ${identity.region}, not to ${service} in ${region}.`,
    );
  }
}

function refusal(message: string): Ec2Error {
  return new Ec2Error('AuthFailure', message);
}
