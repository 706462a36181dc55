/** What a {@link steadyClock} is made of; times in milliseconds. */
export interface ClockSources {
  /** The computer's clock, since 1970 (UTC): right in the long run, but it may be set at any moment. */
  readonly wall: () => number;
  /** Never set, but may stand still while the computer is suspended. */
  readonly monotonic: () => number;
  /** Since the computer was started, the time in which it was suspended included; may be coarse. */
  readonly uptime: () => number;
}

/** How often the uptime is looked at, in monotonic milliseconds. */
const LOOK = 500;
/** More that the uptime has gone ahead since the last look was a suspension. */
const SUSPENDED = 1_000;
/** A clock that was set is followed by so much of the time that passes: five seconds an hour are not felt. */
const SLEW = 0.001;
/** Nearer than this is near enough. */
const NEAR = 5;

/**
 * The time since 1970 (UTC), in whole milliseconds, of one process: it goes on while the computer is
 * suspended, does not jump when somebody sets the computer's clock (nobody's half minute lasts an hour, or
 * ends at once), and never runs backwards. A clock that was set is followed slowly; a new process has it at once.
 */
export function steadyClock({ wall, monotonic, uptime }: ClockSources): () => number {
  let offset = wall() - monotonic();
  let lookedAt = monotonic();
  let lead = uptime() - lookedAt;
  let newest = Number.NEGATIVE_INFINITY;
  return () => {
    const time = monotonic();
    const passed = time - lookedAt;
    if (passed >= LOOK) {
      lookedAt = time;
      const before = lead;
      lead = uptime() - time;
      if (lead - before >= SUSPENDED) offset += lead - before;
      const behind = wall() - time - offset;
      if (Math.abs(behind) > NEAR) offset += Math.sign(behind) * Math.min(Math.abs(behind), passed * SLEW);
    }
    newest = Math.max(newest, Math.floor(time + offset));
    return newest;
  };
}
