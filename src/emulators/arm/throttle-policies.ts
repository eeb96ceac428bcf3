/** A published rate: how many calls a minute come back, and how many the bucket holds at most. */
interface Rate {
  perMinute: number;
  max: number;
}

export interface ThrottlePolicy {
  name: string;
  perResource?: Rate;
  perSubscription: Rate;
}

/** Compute's policies of the token bucket model. The vendor publishes the numbers; most names are ours. */
export const POLICIES = {
  putSet: policy('PutVMScaleSet', { perMinute: 125, max: 375 }, { perMinute: 4, max: 12 }),
  updateSet: policy('UpdateVMScaleSet', { perMinute: 500, max: 1500 }, { perMinute: 4, max: 12 }),
  setActions: policy('VMScaleSetActions', { perMinute: 500, max: 1500 }),
  deleteSet: policy('DeleteVMScaleSet', { perMinute: 175, max: 525 }, { perMinute: 4, max: 12 }),
  powerOffSet: policy('PowerOffVMScaleSet', { perMinute: 175, max: 525 }),
  lowCostGetSet: policy('LowCostGetVMScaleSet', { perMinute: 800, max: 2400 }, { perMinute: 12, max: 36 }),
  highCostGetSet: policy('HighCostGetVMScaleSet', { perMinute: 360, max: 1080 }),
  deleteSetVm: policy('DeleteVMScaleSetVM', { perMinute: 500, max: 1500 }, { perMinute: 4, max: 12 }),
  getSetVm: policy('GetVMScaleSetVM', { perMinute: 2000, max: 6000 }, { perMinute: 12, max: 36 }),
  getOperation: policy('GetOperation', { perMinute: 5000, max: 15_000 }, { perMinute: 15, max: 45 }),
  /** Charged one for each machine that a request is about. */
  batchedVms: policy('VMScaleSetBatchedVMRequests', { perMinute: 1250, max: 3750 }),
  networkRead: policy('NetworkRead', { perMinute: 2000, max: 10_000 }),
} satisfies Record<string, ThrottlePolicy>;

export type PolicyName = keyof typeof POLICIES;

/** The front door's own buckets, for each subscription, principal and kind of call; refill a second. */
export const FRONT_DOOR = {
  reads: { max: 250, refillPerSecond: 25 },
  writes: { max: 200, refillPerSecond: 10 },
  deletes: { max: 200, refillPerSecond: 10 },
} as const;

function policy(name: string, perSubscription: Rate, perResource?: Rate): ThrottlePolicy {
  return perResource === undefined ? { name, perSubscription } : { name, perSubscription, perResource };
}
