import { FleetError } from '../../fleet/errors.ts';
import { chunksOf } from './chunks-of.ts';
import { afterPartWasExecuted, isAboutInstances } from './failures.ts';

/** After so many calls for one batch nothing is halved any more; what still waits is sent once. */
const MOST_SENDS = 40;

/**
 * Sends a call for these instances, at most `size` to a call, and where EC2 refuses some of them sends it again without
 * those: named in the refusal, or found by halving. Answers who was refused and why. A refusal of the call as a whole
 * is thrown, marked as maybe executed once a part has been.
 */
export async function sendToEach(
  ids: readonly string[],
  size: number,
  send: (ids: string[]) => Promise<void>,
): Promise<Map<string, FleetError>> {
  const refused = new Map<string, FleetError>();
  const waiting = chunksOf(ids, size);
  let executed = false;
  let sends = 0;
  for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
    sends += 1;
    const refusal = await refusalOf(send(group), executed);
    if (refusal === undefined) {
      executed = true;
      continue;
    }
    const { guilty, rest } = sends < MOST_SENDS ? split(group, refusal) : { guilty: group, rest: [] };
    for (const id of guilty) refused.set(id, refusal);
    waiting.unshift(...rest);
  }
  return refused;
}

/** What EC2 has against single instances of a call; throws whatever else is wrong. */
async function refusalOf(sent: Promise<void>, executed: boolean): Promise<FleetError | undefined> {
  try {
    await sent;
    return undefined;
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    if (isAboutInstances(error)) return error;
    throw executed ? afterPartWasExecuted(error) : error;
  }
}

/** Whom a refusal names is guilty; where it names nobody, halving finds out. */
function split(group: string[], error: FleetError): { guilty: string[]; rest: string[][] } {
  const words = new Set(error.message.match(/\bi-[0-9A-Za-z]+/g));
  const guilty = group.filter((id) => words.has(id));
  if (guilty.length > 0) {
    const rest = group.filter((id) => !words.has(id));
    return { guilty, rest: rest.length > 0 ? [rest] : [] };
  }
  if (group.length === 1) return { guilty: group, rest: [] };
  const half = Math.ceil(group.length / 2);
  return { guilty: [], rest: [group.slice(0, half), group.slice(half)] };
}
