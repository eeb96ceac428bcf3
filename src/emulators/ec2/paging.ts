import { Ec2Error, invalidValue } from './ec2-error.ts';
import { text, whole } from './parameters.ts';

/** The paging parameters of every describe action. */
export const pagingFields = { MaxResults: whole, NextToken: text };

export interface PageRequest {
  MaxResults: number | undefined;
  NextToken: string | undefined;
}

export interface Page<T> {
  items: T[];
  nextToken: string | undefined;
}

export interface PageLimits {
  least: number;
  most: number;
}

/**
 * Cuts one page out of the records, by their numbers: what comes or goes between two pages shifts no other record.
 * Throws InvalidParameterValue for a page size outside the limits, InvalidNextToken for a token that we did not give.
 */
export function cutPage<T extends { sequence: number }>(
  records: readonly T[],
  request: PageRequest,
  limits: PageLimits = { least: 5, most: 1000 },
): Page<T> {
  const after = readToken(request.NextToken);
  const size = pageSize(request.MaxResults, limits);
  const rest = records.filter(({ sequence }) => sequence > after).toSorted((a, b) => a.sequence - b.sequence);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  const nextToken = rest.length > items.length && last !== undefined ? writeToken(last.sequence) : undefined;
  // EC2 promises no order; the newest first keeps anybody from relying on the order of launch.
  return { items: items.toReversed(), nextToken };
}

/** Refuses (InvalidParameterCombination) a page size together with ids. */
export function refusePagedIds(request: PageRequest, ids: readonly string[], name: string): void {
  if (request.MaxResults === undefined || ids.length === 0) return;
  throw new Ec2Error(
    'InvalidParameterCombination',
    `The parameter ${name} cannot be used with the parameter maxResults`,
  );
}

function pageSize(wanted: number | undefined, { least, most }: PageLimits): number {
  if (wanted === undefined) return Number.POSITIVE_INFINITY;
  if (wanted < least || wanted > most) {
    throw invalidValue('MaxResults', String(wanted), `Expecting a value from ${least} to ${most}.`);
  }
  return wanted;
}

function writeToken(sequence: number): string {
  return Buffer.from(`after ${sequence}`).toString('base64url');
}

function readToken(token: string | undefined): number {
  if (token === undefined) return 0;
  const match = /^after (\d{1,12})$/.exec(Buffer.from(token, 'base64url').toString());
  if (match === null)
    throw new Ec2Error('InvalidNextToken', 'The token is not one that this action returned.');
  return Number(match[1]);
}
