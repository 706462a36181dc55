import { AsyncLocalStorage } from "node:async_hooks";
import { AuthorError } from "../client-sdk/errors.ts";
import type { View } from "./view.ts";

let current: View | undefined;
const inAsync = new AsyncLocalStorage<View>();

/** Runs an author's function with `now()` and `random()` bound to a view. */
export function runIn<T>(view: View, call: () => T): T {
  const before = current;
  current = view;
  try {
    return call();
  } finally {
    current = before;
  }
}

/** As {@link runIn}, for calls that go on after an `await`. */
export function runInAsync<T>(view: View, call: () => T): T {
  return inAsync.run(view, call);
}

/** The view of the call that is under way. @throws AuthorError outside of a call */
export function required(what: string): View {
  const view = current ?? inAsync.getStore();
  if (view === undefined) {
    throw new AuthorError(
      "outside_of_call",
      `${what}() was called outside of a function that Walras runs, such as a live method.`,
    );
  }
  return view;
}

/** The time of the message or page that is being handled, in milliseconds since 1970 (UTC); the same
 * when the group is replayed. Use it instead of Date.now(). @throws AuthorError outside of a call */
export function now(): number {
  return required("now").now();
}

/** A random number, 0 ≤ x < 1; the same when the group is replayed. Use it instead of Math.random().
 * @throws AuthorError outside of a call */
export function random(): number {
  return required("random").random();
}
