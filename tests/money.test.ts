import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { formatCurrency, toAmount } from "../client-sdk/currency.ts";
import { inRealWorldCurrency, withParticipationFee } from "../entities/money.ts";
import { roundCurrency } from "../entities/values.ts";
import { cu, currencyRange, defineConfig, sum } from "../index.ts";
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

  test("an amount is rounded half up as on paper, and written as what it is rounded to", () => {
    for (const [amount, decimals, rounded] of [
      [1.005, 2, 1.01],
      [-1.005, 2, -1.01],
      [2.675, 2, 2.68],
      [10 / 3, 0, 3],
      [2.5, 0, 3],
      [-2.5, 0, -3],
      [-0.4, 0, 0],
      // What they are on paper, and not in binary.
      [3.3 + 0.05, 1, 3.4],
      [0.285 * 100, 0, 29],
      [0.1 + 0.2, 10, 0.3],
      [1.4999999999, 0, 1],
      [123456789012345.67, 1, 123456789012345.7],
      [9007199254740992, 2, 9007199254740992],
      [1e300, 2, 1e300],
    ] as const) {
      expect([amount, roundCurrency(amount, decimals)]).toEqual([amount, rounded]);
    }
    const amounts = fc.oneof(
      fc.double({ min: -1e15, max: 1e15, noNaN: true }),
      // Halves, and what lies a little beside them in binary.
      fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(4)).map(([n, d]) => Number(`${n}.5e-${d}`)),
    );
    fc.assert(
      fc.property(amounts, fc.nat(4), (amount, decimals) => {
        const format = { locale: "en", code: "EUR", decimals, points: ["", ""] as [string, string] };
        expect(formatCurrency(amount, format)).toBe(formatCurrency(roundCurrency(amount, decimals), format));
      }),
    );
  });

  test.each(["KRW", "JPY", "HUF", "IRR", "COP", "VND", "IDR"])("%s is rounded to whole amounts", (code) => {
    expect(formats({ code }).currency.decimals).toBe(0);
    expect(formats({ points: true, code }).money.decimals).toBe(0);
  });

  test("what is no number is refused by name, not written as NaN", () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, null, undefined, "", "ten", {}]) {
      expect(() => toAmount(wrong, "cu")).toThrow(/^cu needs a number and got /);
    }
    // As the value of an input.
    expect(toAmount("2.5", "live.cu")).toBe(2.5);
  });

  test("currencyRange gives exact amounts from the first to the last", () => {
    expect(currencyRange(0, 1, 0.1)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    expect(currencyRange(0, 1, 0.3)).toEqual([0, 0.3, 0.6, 0.9]);
    expect(currencyRange(5, 3, -1)).toEqual([5, 4, 3]);
    expect(currencyRange(7, 7, 1)).toEqual([7]);
    expect(currencyRange(-0.05, 0.05, 0.05)).toEqual([-0.05, 0, 0.05]);
    for (const [first, last, step] of [
      [0, 1, 0],
      [0, 1, -1],
      [0, Number.NaN, 1],
      [0, 1e9, 0.01],
    ] as const) {
      expect(() => currencyRange(first, last, step)).toThrow(/^currencyRange\(/);
    }
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
  sessionConfigs: [{ name: "two", appSequence: ["earn", "pay"], numDemoParticipants: 2, realWorldCurrencyPerPoint: 0.5, participationFee: 4 },
    { name: "meet", appSequence: ["meet"], numDemoParticipants: 2, realWorldCurrencyPerPoint: 0.5, language: "de" }],
  texts: { de: { point: "Taler", points: "Taler" } },
});`,
    );
    write(
      "apps/meet/index.ts",
      `import { cu, currency, currencyRange, defineApp, money, toRealWorldCurrency } from "walras";
const app = defineApp({
  name: "meet",
  playersPerGroup: 2,
  player: { offer: currency({ choices: currencyRange(0, 1, 0.5) }), bonus: currency({ initial: 0 }) },
});
app.page("Offer", {
  formFields: ["offer"],
  beforeNextPage(player) {
    const refusals = [];
    for (const wrong of [null, undefined, NaN, Infinity, "3"]) {
      try { player.payoff = wrong as number; refusals.push("taken"); } catch (error) { refusals.push((error as { code: string }).code); }
    }
    if (refusals.some((code) => !/^(wrong_type|null_not_allowed)$/.test(code))) throw new Error(refusals.join());
    player.payoff = 100;
  },
});
app.waitPage("Wait", {
  afterAllPlayersArrive(group) { for (const one of group.getPlayers()) { one.payoff = 10 / 3; one.payoff += 0.05; } },
});
app.page("Done", {
  varsForTemplate: (player) => ({
    words: [cu(1234.5), money(1234.5), cu(-0.04), player.fieldDisplay("offer"), toRealWorldCurrency(10.5), money(toRealWorldCurrency(10.5))].join("|"),
  }),
});
export default app;`,
    );
    write("apps/meet/Offer.html", "{{ block content }}{{ formfields }}{{ next_button }}{{ endblock }}");
    write(
      "apps/meet/Done.html",
      "{{ block content }}<i>{{ words }}</i><u>{{ 1234.5|cu }}|{{ '1234.5'|money }}|{{ -0.04|c }}</u><b>{{ participant.payoff|cu }}</b>{{ endblock }}",
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

  test("set on a wait page and changed later, they count as they are last; words are the same in code and template", async () => {
    const { base } = server;
    const { participants } = await makeSession(base, "meet");
    const urls = await Promise.all(participants.map((code) => enter(base, code)));
    const form = await ask(urls[0] ?? "");
    // Choices that are amounts are written as such.
    expect(form.text).toMatch(/0,0 Taler.*0,5 Taler.*1,0 Taler/s);
    for (const url of urls) {
      const next = base + (await ask(url, { form: { offer: "0.5" } })).location;
      if (url === urls[1]) {
        const { text } = await ask(next.includes("Wait") ? base + (await ask(next)).location : next);
        const words = "1.234,5 Taler|1.234,50\u00a0€|0,0 Taler";
        expect(text).toContain(`<i>${words}|0,5 Taler|5.25|5,25\u00a0€</i><u>${words}</u>`);
        // 10 / 3 is 3.3, and 3.3 + 0.05 is 3.4.
        expect(text).toContain("<b>3,4 Taler</b>");
      }
    }
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
    expect(page.text).toMatch(
      /7\.3 points<\/td>\s*<td class="amount bonus">€3\.65<\/td>\s*<td class="amount total">€7\.65/,
    );
    // The other one gets the fee alone.
    expect(page.text).toMatch(/Total payments<\/th>\s*<th class="amount">€11\.65/);
    expect(page.text).toMatch(/Mean payment<\/th>\s*<th class="amount">€5\.83/);

    const csv = await ask(`${base}/export/file?what=payments&session=${code}`);
    const [head, first] = csv.text.replace("\ufeff", "").split(/\r?\n/);
    expect(head).toBe(
      "session_code,id_in_session,participant_code,label,finished,payoff,payoff_in_real_world_currency,participation_fee,payoff_plus_participation_fee,replaced_utc",
    );
    expect(first).toBe(`${code},1,${participants[0]},,1,7.3,3.65,4,7.65,`);
  });
});
