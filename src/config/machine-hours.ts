import Type from 'typebox';

const MOST = 10_000_000;

/** The schema of a daily limit on machine-hours; no limit where it is left out. */
export function machineHours(description: string, options: { example: number; variable?: string }) {
  return Type.Integer({
    minimum: 1,
    maximum: MOST,
    description: `${description} Machines that are there go on, and so do leases. No limit without it.`,
    examples: [options.example],
    'x-rule': `must be a whole number of hours from 1 to ${MOST}`,
    ...(options.variable === undefined ? {} : { 'x-variable': options.variable }),
  });
}
