/** A refusal in EC2's words; `status` is the HTTP status that the vendor sends with this code. */
export class Ec2Error extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'Ec2Error';
    this.code = code;
    this.status = STATUS_OF_CODE.get(code) ?? 400;
  }
}

/** Everything that is not here is a client's error, 400. */
const STATUS_OF_CODE: ReadonlyMap<string, number> = new Map([
  ['AuthFailure', 401],
  ['UnauthorizedOperation', 403],
  ['DryRunOperation', 412],
  ['InsufficientAddressCapacity', 500],
  ['InsufficientCapacity', 500],
  ['InsufficientHostCapacity', 500],
  ['InsufficientInstanceCapacity', 500],
  ['InsufficientReservedInstanceCapacity', 500],
  ['InsufficientVolumeCapacity', 500],
  ['InternalError', 500],
  ['InternalFailure', 500],
  ['BandwidthLimitExceeded', 503],
  ['RequestLimitExceeded', 503],
  ['ServiceUnavailable', 503],
  ['Unavailable', 503],
]);

/** The answer to a call for which a token bucket is empty. */
export function requestLimitExceeded(): Ec2Error {
  return new Ec2Error('RequestLimitExceeded', 'Request limit exceeded.');
}

/** The answer to a value that this parameter cannot have. */
export function invalidValue(path: string, value: string, expected: string): Ec2Error {
  return new Ec2Error(
    'InvalidParameterValue',
    `Value (${value}) for parameter ${path} is invalid. ${expected}`,
  );
}
