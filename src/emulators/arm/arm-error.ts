interface ArmErrorDetail {
  code: string;
  message: string;
  target?: string;
}

/** A refusal as Azure Resource Manager words it: `{"error":{code, message, target?, details?}}`. */
export class ArmError extends Error {
  readonly status: number;
  readonly code: string;
  readonly target: string | undefined;
  readonly details: readonly ArmErrorDetail[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    text: {
      message: string;
      target?: string;
      details?: readonly ArmErrorDetail[];
      headers?: Record<string, string>;
    },
  ) {
    super(text.message);
    this.name = 'ArmError';
    this.status = status;
    this.code = code;
    this.target = text.target;
    this.details = text.details;
    this.headers = text.headers ?? {};
  }
}

export function armErrorBody(error: ArmError): { error: Record<string, unknown> } {
  const body: Record<string, unknown> = { code: error.code, message: error.message };
  if (error.target !== undefined) body['target'] = error.target;
  if (error.details !== undefined) body['details'] = error.details;
  return { error: body };
}

export function invalidContent(message: string): ArmError {
  return new ArmError(400, 'InvalidRequestContent', {
    message: `The request content was invalid and could not be deserialized: '${message}'.`,
  });
}

export function invalidParameter(message: string, target: string): ArmError {
  return new ArmError(400, 'InvalidParameter', { message, target });
}

export function notActive(instanceId: string): ArmError {
  return invalidParameter(
    `The provided instanceId ${instanceId} is not an active Virtual Machine Scale Set VM instanceId.`,
    'instanceIds',
  );
}

export function operationNotAllowed(message: string): ArmError {
  return new ArmError(409, 'OperationNotAllowed', { message });
}
