import Sequencer from "@jest/test-sequencer";

/** What takes longest, in seconds on two quiet cores: 20 and more. */
const LONGEST = [
  "browser/faults",
  "simulation",
  "loadtest",
  "cli",
  "two-servers",
  "storage-faults",
  "data-export",
  "browser/live-pages",
  "timers-and-kills",
];

/** The longest first, so that at the end no worker is left alone with one of them. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const at = LONGEST.findIndex((name) => path.endsWith(`/tests/${name}.test.ts`));
      return at < 0 ? LONGEST.length : at;
    };
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}
