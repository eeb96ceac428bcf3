import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { Json } from '../../fleet/provider.ts';

/** Where a pool's machines come from on Azure: a uniform scale set that exists already. */
export const azurePlacementSchema = Type.Object(
  {
    subscriptionId: Type.String({
      description: 'The subscription that pays for the scale set, a UUID.',
      pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
    }),
    resourceGroup: Type.String({
      description: 'The resource group of the scale set.',
      pattern: '^[-A-Za-z0-9_.()]{1,90}$',
    }),
    scaleSet: Type.String({
      description:
        'The name of a scale set that exists already: uniform orchestration, overprovision false, and used by one installation alone.',
      pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]{0,63}$',
    }),
    location: Type.String({
      description: "The scale set's region by its short name, such as westeurope.",
      pattern: '^[a-z0-9]+$',
    }),
    address: Type.Optional(
      Type.Literal('private', {
        description:
          "How machines are reached: by their private address, so drover needs a route into the set's network. Public addresses are not supported.",
        default: 'private',
      }),
    ),
  },
  { additionalProperties: false, description: 'A uniform virtual machine scale set.' },
);

/** A scale set as the provider names it. Azure ignores case in names, so `id` is in lower case. */
export interface ScaleSet {
  subscriptionId: string;
  resourceGroup: string;
  name: string;
  location: string;
  /** The full resource id in lower case. */
  id: string;
}

/** Reads a placement's `spec`. Throws FleetError `invalid` that says which field is wrong. */
export function toScaleSet(spec: Json): ScaleSet {
  if (!Value.Check(azurePlacementSchema, spec)) throw invalidPlacement(spec);
  const { subscriptionId, resourceGroup, scaleSet, location } = spec;
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
  const id = `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/${scaleSet}`.toLowerCase();
  return { subscriptionId, resourceGroup, name: scaleSet, location, id };
}

/** The id by which everybody else knows the set's instance with this number. */
export function instanceOf(set: ScaleSet, number: string): string {
  return `${set.id}/virtualmachines/${number}`;
}

function invalidPlacement(spec: Json): FleetError {
  if (typeof spec === 'object' && spec !== null && !Array.isArray(spec) && spec['address'] === 'public') {
    return invalid(
      "address: public is not supported for scale sets: use private, and run drover where it has a route into the set's network.",
    );
  }
  const problems = Value.Errors(azurePlacementSchema, spec).map(
    (each) => `${each.instancePath === '' ? 'spec' : each.instancePath.slice(1)} ${each.message}`,
  );
  return invalid(`The placement of an Azure scale set is wrong: ${problems.join('; ')}.`);
}

function invalid(message: string): FleetError {
  return new FleetError(message, { code: 'invalid', remedy: 'give-up' });
}

/** The scale set a raw placement names, as configuration compares them; undefined where a part of the name is missing. */
export function scaleSetIn(spec: Readonly<Record<string, unknown>>): string | undefined {
  const parts = ['subscriptionId', 'resourceGroup', 'scaleSet'].map((field) => spec[field]);
  const named = parts.filter((part) => typeof part === 'string');
  return named.length === parts.length ? named.join('/').toLowerCase() : undefined;
}
