export interface ParentWatch {
  stop(): void;
}

export interface ParentWatchOptions {
  /** Begins an orderly stop; called once, when the process that started this one is gone. */
  onGone: () => void;
  /** How long that stop may take before this process ends itself, in milliseconds. */
  graceMs?: number;
  everyMs?: number;
}

/**
 * Ends this process when the one that started it has died without saying so (SIGKILL).
 * The kernel's own message (setpriv --pdeathsig) comes first where there is one; this covers the rest,
 * and bounds a stop that hangs: the servers go with this process in either case.
 */
export function watchParent(options: ParentWatchOptions): ParentWatch {
  const parent = process.ppid;
  let hardEnd: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    hardEnd = setTimeout(() => process.kill(process.pid, 'SIGKILL'), options.graceMs ?? 10_000);
    hardEnd.unref();
    options.onGone();
  }, options.everyMs ?? 250);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      clearTimeout(hardEnd);
    },
  };
}
