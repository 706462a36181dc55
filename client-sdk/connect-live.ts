import { WalrasError } from "./errors.ts";
import { type HeadlessOptions, HeadlessParticipant } from "./headless.ts";
import type { GroupState } from "./live-state.ts";
import { type LiveConnection, type LivePage, typedLive } from "./live-types.ts";

/** A live page that is open without a browser. */
export interface ConnectedLive<P extends LivePage> extends LiveConnection<P> {
  /** Whose page it is: to submit it, load it again, or see its HTML. */
  readonly participant: HeadlessParticipant;
  /** What the group publishes now, as `live.state` in the page. */
  readonly state: GroupState;
  /** Waits until the published state is so. @throws WalrasError `timeout` */
  until(condition: (state: GroupState) => boolean, timeoutMs?: number): Promise<GroupState>;
  /** Closes the page. */
  close(): void;
}

/**
 * Opens a participant's link, without a browser, and connects to the live page on which they are:
 *
 * ```ts
 * import { connectLive } from "walras/client";
 * import type { bidding } from "./apps/auction/index.ts"; // export const bidding = app.page("Bidding", { ... })
 *
 * const live = await connectLive<typeof bidding>("http://localhost:8000/InitializeParticipant/...");
 * const quote = await live.call("offer", { price: 4 });
 * ```
 *
 * @throws WalrasError `not_live` if that page has no live method
 */
export async function connectLive<P extends LivePage>(
  link: string,
  options?: HeadlessOptions,
): Promise<ConnectedLive<P>> {
  const participant = await HeadlessParticipant.open(link, options);
  if (participant.page.live === null) {
    throw new WalrasError("not_live", `${participant.page.url} (${participant.page.status}) has no live method.`);
  }
  const live = typedLive<P>(participant);
  return {
    participant,
    send: (data) => live.send(data),
    call: (type, ...data) => live.call(type, ...data),
    receive: (matches, given) => live.receive(matches, given),
    get state() {
      return participant.state;
    },
    until: async (condition, timeoutMs) => {
      await participant.until(() => participant.status !== "closed" && condition(participant.state), timeoutMs);
      return participant.state;
    },
    close: () => participant.close(),
  };
}
