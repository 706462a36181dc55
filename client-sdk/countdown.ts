/** Seconds before the end at which readers of the screen are told; more often would drown the page. */
const ANNOUNCED = [60, 30, 10];
/** From here on the clock shows that it is urgent. */
const SOON = 10;
/** The wall clock may differ from the other by so much before the computer is taken to have slept. */
const SLEPT_MS = 3_000;

/** Time as a clock shows it: `0:09`, `12:30`, `1:00:00`. */
export function clock(ms: number): string {
  const all = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

export interface CountdownOptions {
  /** Milliseconds that were left when the server made the page. */
  left: number;
  /** `{seconds} seconds left`. */
  announce: string;
  /** When that was, at the earliest, by `now`. */
  since: number;
  /** Milliseconds of a clock that never jumps. */
  now(): number;
  /** The wall clock, which goes on while the computer sleeps. */
  wall(): number;
  after(ms: number, run: () => void): () => void;
  /** What the clock shows. */
  show(text: string, isSoon: boolean, secondsLeft: number): void;
  say(text: string): void;
  /** Time is over. */
  onEnd(): void;
  /** The computer has slept: the server knows what time it is. */
  onWake(): void;
}

/**
 * Counts down by a clock that never jumps, from what the server said was left, so that neither a wrong
 * clock nor one that is set shows. Waits are aimed at the full seconds: late ticks do not add up.
 *
 * @returns a function that looks at the clock now, for a page that comes into sight again
 */
export function startCountdown(options: CountdownOptions): () => void {
  const { left, since, now, wall, after, show, say, announce, onEnd, onWake } = options;
  const end = since + left;
  const offset = wall() - now();
  let cancel = () => {};
  let ended = false;
  let woken = false;
  const announced = new Set(ANNOUNCED.filter((seconds) => seconds * 1000 >= left));
  const look = (): void => {
    cancel();
    if (ended) return;
    const ms = end - now();
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    show(clock(ms), seconds <= SOON, seconds);
    for (const step of ANNOUNCED) {
      if (seconds > step || announced.has(step)) continue;
      announced.add(step);
      // Of those that were missed, only the last is still true.
      if (seconds === step) say(announce.replace("{seconds}", String(step)));
    }
    if (!woken && wall() - now() - offset > SLEPT_MS) {
      woken = true;
      onWake();
    }
    if (ms <= 0) {
      ended = true;
      onEnd();
      return;
    }
    // To the next full second, and a little, so that rounding does not ask twice.
    cancel = after((ms % 1000 || 1000) + 5, look);
  };
  look();
  return look;
}
