import { describe, expect, it } from 'vitest';
import { PROVIDERS } from '../../src/providers/index.ts';

describe('the list of providers', () => {
  it('has each name once', () => {
    const names = PROVIDERS.map((provider) => provider.name);
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(expect.arrayContaining(['aws-ec2', 'memory']));
  });

  it.each(PROVIDERS)('$name explains its placements and its section of the configuration', (provider) => {
    for (const schema of [provider.placementSchema, provider.optionsSchema]) {
      const plain: unknown = JSON.parse(JSON.stringify(schema));
      expect(plain).toMatchObject({
        type: 'object',
        additionalProperties: false,
        description: expect.stringMatching(/.{10,}/),
      });
    }
  });

  it.each(PROVIDERS)(
    '$name can be made without any configuration, and calls nobody for that',
    async (provider) => {
      const unasked = (): never => {
        throw new Error('Nobody is to be asked.');
      };
      const made = provider.create({
        installation: 'ours',
        budgets: { take: unasked, throttled: unasked },
        clock: { now: () => new Date(0) },
        options: {},
      });
      expect(made.name).toBe(provider.name);
      for (const size of Object.values(made.capabilities.batchSizes)) expect(size).toBeGreaterThan(0);
      await made.close();
    },
  );
});
