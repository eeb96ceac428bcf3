/** A Retry-After header's text: whole REAL seconds for a wait in cloud milliseconds, 0 below one second. */
export function retryAfterSeconds(cloudMs: number, speed: number): string {
  const seconds = cloudMs / 1000 / speed;
  return seconds < 1 ? '0' : String(Math.ceil(seconds));
}
