/** How often a page that has no connection asks where its participant is, in milliseconds; a little more, by lot. */
const EVERY = 10_000;
/** And how often while nobody sees it; browsers make it a minute. */
const HIDDEN = 30_000;

/** What watching takes of the browser. */
export interface WhereaboutsWatch {
  /** Path of the page: its second part is the participant's code, its last the page's index. */
  readonly path: string;
  isHidden(): boolean;
  ask(address: string): Promise<unknown>;
  after(ms: number, run: () => void): () => void;
  random(): number;
  /** The participant is elsewhere by now. */
  onMoved(): void;
}

/**
 * A participant may be moved on from elsewhere: by an experimenter, or in another tab. A live page and a wait page
 * hear of it through their connection; any other page asks now and then, which also tells that it is open.
 *
 * @returns asks at once, as when the page comes into sight
 */
export function watchWhereabouts(watch: WhereaboutsWatch): () => void {
  const [, kind, code, , , index] = watch.path.split("/");
  let cancel = () => {};
  const wait = (): void => {
    cancel();
    cancel = watch.after((watch.isHidden() ? HIDDEN : EVERY) * (1 + watch.random() / 4), look);
  };
  const look = (): void => {
    wait();
    watch.ask(`/p/${code}/at`).then(
      (at) => {
        const now: unknown = typeof at === "object" && at !== null ? Reflect.get(at, "index") : undefined;
        if (typeof now !== "number" || String(now) === index) return;
        cancel();
        watch.onMoved();
      },
      // The next time will do.
      () => {},
    );
  };
  if (kind !== "p" || index === undefined) return () => {};
  wait();
  return look;
}
