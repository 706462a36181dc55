import { WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { Actor } from "./actor.ts";
import { HookNeeded, Hooks } from "./hooks.ts";
import type { Outcome, Turn } from "./turn.ts";

/** A turn that runs hooks of the author, of which each may be async; see {@link Hooks}. */
export abstract class HookedTurn implements Turn {
  readonly bytes = 0;
  protected readonly hooks = new Hooks();

  /**
   * As `run` of any turn: does it, through `hooks` where it is the author's code. It is done from its beginning after
   * each async hook.
   *
   * @throws HookNeeded, when what it has done is taken back
   */
  protected abstract work(actor: Actor): Outcome;

  /** As `fail` of any turn. */
  protected abstract failed(error: WalrasError): void;

  /** An async hook begins, or is waited for; and then no more. */
  protected waiting(_isWaiting: boolean): void {}

  /** What is to be stored before an async hook begins. */
  protected hold(_actor: Actor): Pick<Outcome, "unit" | "entry"> {
    return {};
  }

  run(actor: Actor): Outcome {
    let outcome: Outcome;
    this.hooks.begin();
    try {
      outcome = this.work(actor);
    } catch (error) {
      if (!(error instanceof HookNeeded)) throw error;
      // When everything has committed that the hook could see.
      return { ...this.hold(actor), release: () => void this.#runHook(actor, error) };
    }
    const { release } = outcome;
    return {
      ...outcome,
      release: (seq) => {
        this.hooks.end();
        release(seq);
      },
    };
  }

  async #runHook(actor: Actor, needed: HookNeeded): Promise<void> {
    this.waiting(true);
    const cut = await this.hooks.run(actor, needed);
    this.waiting(false);
    if (cut === undefined) actor.resume(this);
    else this.fail(new WalrasError(Refusal.MOVED, "The server is restarting. Try again in a moment.", { retry: true }));
  }

  fail(error: WalrasError): void {
    this.hooks.end();
    this.failed(error);
  }
}
