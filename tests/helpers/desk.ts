import type { AdvanceAnswer, AdvanceRequest, MonitorAnswer, MonitorRow } from "../../client-sdk/monitor/rows.ts";
import { ask, enter, makeSession, type TestServer } from "./http.ts";

/** An experimenter with a session, and its participants' browsers, by plain HTTP. */
export class Desk {
  readonly server: TestServer;
  readonly code: string;
  /** The participants' codes. */
  readonly codes: readonly string[];

  private constructor(server: TestServer, code: string, codes: readonly string[]) {
    this.server = server;
    this.code = code;
    this.codes = codes;
  }

  static async open(server: TestServer, config: string): Promise<Desk> {
    const { code, participants } = await makeSession(server.base, config);
    return new Desk(server, code, participants);
  }

  link(id: number): string {
    return `${this.server.base}/InitializeParticipant/${this.codes[id - 1]}`;
  }

  /** Opens a participant's link: the address of their page. */
  enter(id: number): Promise<string> {
    return enter(this.server.base, this.codes[id - 1] ?? "");
  }

  /** Submits the page on which a participant is: the address of the next one. */
  async submit(id: number, form: Record<string, string> = {}): Promise<string> {
    const { location, text } = await ask(await this.enter(id), { form });
    if (location === "") throw new Error(`the page was not left: ${text}`);
    return this.server.base + location;
  }

  async changes(since = ""): Promise<MonitorAnswer> {
    const address = `${this.server.base}/SessionMonitor/${this.code}/changes?since=${encodeURIComponent(since)}`;
    return JSON.parse((await ask(address)).text) as MonitorAnswer;
  }

  /** The monitor's row of a participant, as soon as it is so. */
  async sees(id: number, ...expected: Partial<MonitorRow>[]): Promise<MonitorRow> {
    for (let tries = 0; ; tries++) {
      const row = (await this.changes()).rows[id - 1] as MonitorRow;
      const isSo = expected.every((one) =>
        Object.entries(one).every(([name, value]) => row[name as keyof MonitorRow] === value),
      );
      if (isSo) return row;
      if (tries > 200) throw new Error(`P${id} is not ${JSON.stringify(expected)} but ${JSON.stringify(row)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async advance(...given: [who: AdvanceRequest["who"], confirmed?: boolean]): Promise<AdvanceAnswer> {
    const [who, confirmed = false] = given;
    const { text } = await this.post({ who, confirmed });
    return JSON.parse(text) as AdvanceAnswer;
  }

  post(body: unknown, headers: Record<string, string> = {}) {
    return ask(`${this.server.base}/AdvanceSession/${this.code}`, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
  }

  /** The name of the page on which a participant is, as their browser finds it. */
  async pageOf(id: number): Promise<string> {
    const address = await this.enter(id);
    return address.includes("/OutOfRange") ? "finished" : (new URL(address).pathname.split("/")[4] ?? "");
  }
}
