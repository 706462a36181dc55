import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { formatCurrency } from "../client-sdk/currency.ts";
import { inRealWorldCurrency, withParticipationFee } from "../entities/money.ts";
import { cu, defineConfig, sum } from "../index.ts";
import { ask, enter, makeSession, startTestServer, type TestServer } from "./helpers/http.ts";

const SESSION = { name: "s", appSequence: ["a"], numDemoParticipants: 1 };

/** What a project with this currency writes, in a language. */
function formats(currency: Parameters<typeof defineConfig>[0]["currency"], language = "en") {
  const config = defineConfig({ sessionConfigs: [SESSION], language, ...(currency === undefined ? {} : { currency }) });
  const found = config.languages?.of();
  if (found === undefined) throw new Error("no languages");
  return found;
}

describe("amounts in words", () => {
  test.each([
    [undefined, "en", 1, "1 point"],
    [undefined, "en", -1, "-1 point"],
    [undefined, "en", -0.2, "0 points"],
    [undefined, "de", 1200, "1.200 Punkte"],
    [undefined, "fr", 0, "0 point"],
    [undefined, "zh", 3, "3 点"],
    [{ decimals: 2 }, "en", 1, "1.00 points"],
    [{ code: "EUR" }, "de", -3.5, "-3,50\u00a0€"],
    [{ code: "EUR" }, "en", 3.5, "€3.50"],
    [{ code: "JPY" }, "ja", 1200, "￥1,200"],
    [{ code: "USD", locale: "en" }, "de", 3.5, "$3.50"],
  ])("%j in %s: %d is %s", (currency, language, amount, words) => {
    expect(formatCurrency(amount, formats(currency, language).currency)).toBe(words);
  });

  test("a payoff in points is worth real money, and the fee is added to it", () => {
    const session = {
      config: { realWorldCurrencyPerPoint: 0.35, participationFee: 5 },
      formats: formats({ points: true, code: "EUR" }),
    };
    expect(inRealWorldCurrency(3, session)).toBe(1.05);
    expect(inRealWorldCurrency(10.1, { ...session, config: { realWorldCurrencyPerPoint: 0.05 } })).toBe(0.51);
    expect(withParticipationFee(3, session)).toBe(6.05);
    expect(withParticipationFee(-3, session)).toBe(3.95);
    const money = { ...session, formats: formats({ code: "EUR" }) };
    expect(withParticipationFee(3, money)).toBe(8);
  });

  test("yen have no decimals, in payments of points too", () => {
    const session = { config: { realWorldCurrencyPerPoint: 1.5 }, formats: formats({ points: true, code: "JPY" }) };
    expect(inRealWorldCurrency(3, session)).toBe(5);
  });

  test("sums are exact", () => {
    expect(sum([0.1, 0.2])).toBe(0.3);
    expect(sum(Array.from({ length: 1000 }, () => 0.01))).toBe(10);
    expect(sum([])).toBe(0);
  });

  test("cu needs a call, where the session is known", () => {
    expect(() => cu(3)).toThrow(/cu/);
  });
});

const ROOT = join(import.meta.dirname, "..");
const APP = (name: string, rest: string) => `import { cu, defineApp } from "walras";
const app = defineApp({ name: "${name}", ${rest} });
`;

describe("payoffs over several apps and rounds", () => {
  let project: string;
  let server: TestServer;
  beforeAll(async () => {
    mkdirSync(join(ROOT, "tmp"), { recursive: true });
    project = mkdtempSync(join(ROOT, "tmp", "money-"));
    const write = (path: string, text: string) => {
      mkdirSync(join(project, path, ".."), { recursive: true });
      writeFileSync(join(project, path), text);
    };
    write(
      "walras.config.ts",
      `import { defineConfig } from "walras";
export default defineConfig({
  currency: { points: true, code: "EUR", decimals: 1 },
  sessionConfigs: [{ name: "two", appSequence: ["earn", "pay"], numDemoParticipants: 2, realWorldCurrencyPerPoint: 0.5, participationFee: 4 }],
});`,
    );
    write(
      "apps/earn/index.ts",
      `${APP("earn", "rounds: 2")}app.page("Work", {
  beforeNextPage(player) { player.payoff = player.roundNumber === 1 ? 0.1 : 0.2; },
  varsForTemplate: (player) => ({ words: cu(1234.5), so_far: player.participant.payoff }),
});
export default app;`,
    );
    write(
      "apps/earn/Work.html",
      "{{ block content }}<i>{{ words }}</i><b>{{ so_far }}</b>{{ next_button }}{{ endblock }}",
    );
    write(
      "apps/pay/index.ts",
      `${APP("pay", "")}app.page("Gift", { beforeNextPage(player) { player.payoff = 7; } });
app.page("End", {});
export default app;`,
    );
    write("apps/pay/Gift.html", "{{ block content }}<b>{{ participant.payoff|cu }}</b>{{ next_button }}{{ endblock }}");
    write(
      "apps/pay/End.html",
      "{{ block content }}<b>{{ participant.payoff|cu }}</b><u>{{ participant.payoff_in_real_world_currency|money }}</u><s>{{ participant.payoff_plus_participation_fee|money }}</s>{{ next_button }}{{ endblock }}",
    );
    server = await startTestServer({}, project);
  });
  afterAll(async () => {
    await server.stop();
    rmSync(project, { recursive: true, force: true });
  });

  test("are summed exactly on every page, and paid", async () => {
    const { base } = server;
    const { code, participants } = await makeSession(base, "two");
    let url = await enter(base, participants[0] ?? "");
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      const { text } = await ask(url);
      seen.push(/<b>(.*?)<\/b>/.exec(text)?.[1] ?? text);
      if (i === 0) expect(text).toContain("<i>1,234.5 points</i>");
      if (i === 3) {
        expect(text).toContain("<u>€3.65</u>");
        expect(text).toContain("<s>€7.65</s>");
      }
      url = base + (await ask(url, { form: {} })).location;
    }
    expect(seen).toEqual(["0", "0.1", "0.3 points", "7.3 points"]);

    const page = await ask(`${base}/SessionPayments/${code}`);
    expect(page.text).toContain("Finished");
    expect(page.text).toMatch(/7\.3 points<\/td>\s*<td class="amount">€3\.65<\/td>\s*<td class="amount">€7\.65/);
    // The other one gets the fee alone.
    expect(page.text).toMatch(/Total payments<\/th>\s*<th class="amount">€11\.65/);
    expect(page.text).toMatch(/Mean payment<\/th>\s*<th class="amount">€5\.83/);

    const csv = await ask(`${base}/export/file?what=payments&session=${code}`);
    const [head, first] = csv.text.replace("\ufeff", "").split(/\r?\n/);
    expect(head).toBe(
      "session_code,id_in_session,participant_code,label,finished,payoff,payoff_in_real_world_currency,participation_fee,payoff_plus_participation_fee",
    );
    expect(first).toBe(`${code},1,${participants[0]},,1,7.3,3.65,4,7.65`);
  });
});
