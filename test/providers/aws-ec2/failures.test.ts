import { describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/fleet/errors.ts';
import {
  afterPartWasExecuted,
  isAboutInstances,
  toFleetError,
  unreadable,
} from '../../../src/providers/aws-ec2/failures.ts';

const LAUNCH = { action: 'RunInstances', mutating: true };
const LISTING = { action: 'DescribeInstances', mutating: false };

/** An error as the SDK throws it for an answer that it could read. */
function refusal(code: string, status = 400, headers: Record<string, string> = {}): Error {
  const error = new Error(`about ${code}`);
  return Object.assign(error, {
    name: code,
    Code: code,
    $fault: status < 500 ? 'client' : 'server',
    $metadata: { httpStatusCode: status, attempts: 1 },
    $response: { headers },
  });
}

function lost(name: string, code?: string): Error {
  return Object.assign(new Error('lost'), { name, code, $metadata: { attempts: 1 } });
}

describe("EC2's refusals are sorted by what is to be done about them", () => {
  it.each([
    ['RequestLimitExceeded', 503, 'throttled', 'retry-later'],
    ['RequestLimitExceeded', 400, 'throttled', 'retry-later'],
    ['Throttling', 400, 'throttled', 'retry-later'],
    ['ThrottlingException', 400, 'throttled', 'retry-later'],
    ['EC2ThrottledException', 400, 'throttled', 'retry-later'],
    ['SlowDown', 503, 'throttled', 'retry-later'],
    ['BandwidthLimitExceeded', 503, 'throttled', 'retry-later'],
    ['InsufficientInstanceCapacity', 500, 'capacity', 'retry-elsewhere'],
    ['InsufficientHostCapacity', 500, 'capacity', 'retry-elsewhere'],
    ['UnfulfillableCapacity', 400, 'capacity', 'retry-elsewhere'],
    ['ReservationCapacityExceeded', 400, 'capacity', 'retry-elsewhere'],
    ['InsufficientFreeAddressesInSubnet', 400, 'capacity', 'retry-elsewhere'],
    ['Unsupported', 400, 'capacity', 'retry-elsewhere'],
    ['VcpuLimitExceeded', 400, 'quota', 'retry-elsewhere'],
    ['InstanceLimitExceeded', 400, 'quota', 'retry-elsewhere'],
    ['MaxSpotInstanceCountExceeded', 400, 'quota', 'retry-elsewhere'],
    ['VolumeLimitExceeded', 400, 'quota', 'retry-elsewhere'],
    ['InvalidInstanceID.NotFound', 400, 'not-found', 'retry'],
    ['InvalidVolume.NotFound', 400, 'not-found', 'retry'],
    ['IncorrectInstanceState', 400, 'wrong-state', 'retry'],
    ['IncorrectState', 400, 'wrong-state', 'retry'],
    ['OperationNotPermitted', 400, 'refused', 'give-up'],
    ['InvalidAMIID.NotFound', 400, 'invalid', 'give-up'],
    ['InvalidParameterValue', 400, 'invalid', 'give-up'],
    ['MissingParameter', 400, 'invalid', 'give-up'],
    ['UnauthorizedOperation', 403, 'unauthorized', 'give-up'],
    ['AuthFailure', 401, 'unauthorized', 'give-up'],
    ['IdempotentParameterMismatch', 400, 'mismatch', 'give-up'],
    ['SomethingThatAwsInventsLater', 400, 'refused', 'give-up'],
  ])('%s (%i) is %s, %s', (vendorCode, status, ...[code, remedy]) => {
    const error = toFleetError(refusal(vendorCode, status), LAUNCH);
    expect(error).toBeInstanceOf(FleetError);
    expect(error).toMatchObject({ code, remedy, vendorCode, maybeExecuted: false });
    expect(error.message).toContain(vendorCode);
  });

  it.each([
    ['InternalError', 500],
    ['Unavailable', 503],
    ['ServiceUnavailable', 503],
    ['SomethingThatAwsInventsLater', 500],
  ])('%s (%i) leaves open whether a launch was executed', (vendorCode, status) => {
    const open = { remedy: 'retry', vendorCode, maybeExecuted: true };
    expect(toFleetError(refusal(vendorCode, status), LAUNCH)).toMatchObject(open);
    expect(toFleetError(refusal(vendorCode, status), LISTING)).toMatchObject({ maybeExecuted: false });
  });

  it('keeps the time that a gateway asks for', () => {
    const error = toFleetError(refusal('RequestLimitExceeded', 503, { 'retry-after': '7' }), LAUNCH);
    expect(error.retryAfterMs).toBe(7000);
  });

  it('takes 429 for a throttled call whatever its code', () => {
    expect(toFleetError(refusal('Odd', 429), LAUNCH)).toMatchObject({ code: 'throttled' });
  });

  it('knows the refusals that concern single instances', () => {
    const about = (code: string): boolean => isAboutInstances(toFleetError(refusal(code), LAUNCH));
    const codes = ['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed', 'IncorrectInstanceState'];
    expect([...codes, 'OperationNotPermitted', 'UnsupportedOperation'].map(about)).not.toContain(false);
    expect(
      ['RequestLimitExceeded', 'UnauthorizedOperation', 'InvalidParameterValue'].map(about),
    ).not.toContain(true);
  });
});

describe('what never was an answer of EC2', () => {
  it.each([
    ['a cut connection', lost('TimeoutError', 'ECONNRESET')],
    ['no answer in time', lost('TimeoutError', 'ETIMEDOUT')],
    ['a broken pipe', lost('Error', 'EPIPE')],
    ['a call that was called off', Object.assign(new Error('Request aborted'), { name: 'AbortError' })],
  ])('%s leaves open whether a launch was executed', (_, error) => {
    const open = { code: 'unknown-reply', remedy: 'retry', maybeExecuted: true, cause: error };
    expect(toFleetError(error, LAUNCH)).toMatchObject(open);
    expect(toFleetError(error, LISTING)).toMatchObject({ maybeExecuted: false });
  });

  it.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])(
    '%s means that nothing was sent',
    (code) => {
      const error = toFleetError(lost('Error', code), LAUNCH);
      expect(error).toMatchObject({ code: 'unavailable', remedy: 'retry', maybeExecuted: false });
    },
  );

  it('missing credentials are said to be missing', () => {
    const cause = Object.assign(new Error('none found'), { name: 'CredentialsProviderError' });
    const error = toFleetError(cause, LAUNCH);
    expect(error).toMatchObject({ code: 'unauthorized', remedy: 'retry-later', maybeExecuted: false });
    expect(error.message).toContain('none found');
  });

  it('an error before sending is nobody else’s fault and is not repeated', () => {
    const error = toFleetError(new TypeError('not a function'), LAUNCH);
    expect(error).toMatchObject({ code: 'internal', remedy: 'give-up', maybeExecuted: false });
  });

  it('a FleetError stays itself', () => {
    const error = unreadable(LAUNCH, 'it is HTML');
    expect(error).toMatchObject({ code: 'unknown-reply', remedy: 'retry', maybeExecuted: true });
    expect(toFleetError(error, LISTING)).toBe(error);
  });

  it('a refusal after a part was executed must be replayed, and keeps what it says', () => {
    const throttled = toFleetError(refusal('RequestLimitExceeded', 503, { 'retry-after': '3' }), LAUNCH);
    expect(afterPartWasExecuted(throttled)).toMatchObject({
      code: 'throttled',
      remedy: 'retry-later',
      retryAfterMs: 3000,
      vendorCode: 'RequestLimitExceeded',
      maybeExecuted: true,
      message: throttled.message,
    });
  });
});
