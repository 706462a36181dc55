import { createInstance, type i18n } from "i18next";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import { FORM_TEXTS, type FormTextKey, type FormTexts } from "./form-texts.ts";
import { AR } from "./texts/ar.ts";
import { DE } from "./texts/de.ts";
import { EN, type TextKey } from "./texts/en.ts";
import { ES } from "./texts/es.ts";
import { FR } from "./texts/fr.ts";
import { ZH } from "./texts/zh.ts";
import { type WaitTexts, waitTexts } from "./wait-texts.ts";

/** The packs that come with Walras, by language. */
export const LANGUAGE_PACKS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  en: EN,
  de: DE,
  es: ES,
  fr: FR,
  zh: ZH,
  ar: AR,
};

/** An author's own texts by language: `{ de: { next: "Weiter" } }`. What is left out stays as it is. */
export type OwnTexts = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** One text, with values in its places. `count` chooses the form of the plural. */
export type Say = (key: TextKey, values?: Readonly<Record<string, string | number>>) => string;

/** In what words and digits one session speaks to its participants. */
export interface Language {
  /** As HTML names it, e.g. "de" or "pt-BR". */
  readonly code: string;
  readonly direction: "ltr" | "rtl";
  readonly currency: CurrencyFormat;
  /** What participants are paid. */
  readonly money: CurrencyFormat;
  readonly say: Say;
  /** What forms say, values not put in. */
  readonly texts: FormTexts;
  readonly wait: WaitTexts;
}

export interface LanguagesOptions {
  /** Of sessions that name none. Default: "en". */
  readonly language?: string;
  readonly currency: CurrencyFormat;
  /** ISO code of what points are paid in. Default: amounts without a unit. */
  readonly paidIn?: string;
  /** The author named the currency's locale: amounts are then written so in every language. */
  readonly fixedLocale?: boolean;
  readonly texts?: OwnTexts;
}

/** Whole points, in English: where nobody says how amounts are written. */
export const PLAIN_POINTS: CurrencyFormat = { locale: "en", code: null, decimals: 0, points: ["point", "points"] };

/** Languages written from right to left, by their first subtag. */
const RIGHT_TO_LEFT = new Set("ar arc ckb dv fa he ks ku ps sd ug ur yi".split(" "));

/** A project's languages: the packs of Walras with the author's own texts over them. What is missing is in English. */
export class Languages {
  readonly #options: LanguagesOptions;
  readonly #i18n: i18n;
  readonly #known = new Map<string, Language>();

  constructor(options: LanguagesOptions) {
    this.#options = options;
    const resources: Record<string, { translation: Record<string, string> }> = {};
    for (const [code, pack] of Object.entries(LANGUAGE_PACKS)) resources[code] = { translation: { ...pack } };
    for (const [code, own] of Object.entries(options.texts ?? {})) {
      const [tag = code] = Intl.getCanonicalLocales(code);
      resources[tag] = { translation: { ...resources[tag]?.translation, ...own } };
    }
    this.#i18n = createInstance();
    // Everything is at hand, so this is done at once.
    void this.#i18n.init({
      resources,
      initAsync: false,
      lng: "en",
      fallbackLng: "en",
      keySeparator: false,
      nsSeparator: false,
      // Templates escape.
      interpolation: { prefix: "{", suffix: "}", escapeValue: false, skipOnVariables: true },
    });
  }

  /** @param code of a session's config; anything that is no language counts as the project's */
  of(code?: unknown): Language {
    const tag = languageTag(code) ?? languageTag(this.#options.language) ?? "en";
    let language = this.#known.get(tag);
    if (language === undefined) {
      language = this.#make(tag);
      this.#known.set(tag, language);
    }
    return language;
  }

  #make(code: string): Language {
    const { currency, paidIn = currency.code, fixedLocale = false } = this.#options;
    const locale = fixedLocale ? currency.locale : code;
    // Money that is played for is paid as it is.
    const decimals = paidIn === null ? 2 : paidIn === currency.code ? currency.decimals : moneyDigits(paidIn);
    const translate = this.#i18n.getFixedT(code);
    const say: Say = (key, values = {}) => translate(key, { ...values });
    const texts: Record<FormTextKey, string> = { ...FORM_TEXTS };
    for (const key of Object.keys(texts) as FormTextKey[]) texts[key] = translate(key, { skipInterpolation: true });
    return {
      code,
      direction: RIGHT_TO_LEFT.has(code.split("-")[0] ?? "") ? "rtl" : "ltr",
      currency: {
        ...currency,
        locale,
        points: [say("point"), say("points")],
      },
      money: { locale, code: paidIn, decimals, points: ["", ""] },
      say,
      texts,
      wait: waitTexts(say),
    };
  }
}

/** Decimal places of a money: 2 of EUR, 0 of JPY. @param code ISO code */
export function moneyDigits(code: string): number {
  return (
    new Intl.NumberFormat("en", { style: "currency", currency: code }).resolvedOptions().maximumFractionDigits ?? 2
  );
}

/** A language as Intl writes it; undefined: nothing that Intl knows. */
export function languageTag(code: unknown): string | undefined {
  if (typeof code !== "string") return undefined;
  try {
    return Intl.NumberFormat.supportedLocalesOf(code)[0];
  } catch {
    return undefined;
  }
}
