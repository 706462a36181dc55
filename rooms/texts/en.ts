import { FORM_TEXTS } from "../form-texts.ts";

/**
 * All that Walras itself says to participants, in English. The other packs have the same keys; where a text
 * depends on `{count}`, a key may have forms beside it, named as i18next names plurals: `stillToCome_one`.
 */
export const EN = {
  ...FORM_TEXTS,
  point: "point",
  points: "points",

  connectionLost: "Connection lost. Trying again… Your inputs are kept.",
  serverHalted: "The server cannot save at the moment. Please wait; your inputs are kept.",
  tooManyTabs: "You have opened this study in too many tabs. Go on in the newest one, or load this page again.",

  waitTitle: "Please wait",
  waitBody: "Waiting for the other participants.",
  waitBody_one: "Waiting for the other participant.",
  everybodyHere: "Everybody is here.",
  playersHere: "{here} of {all} players are here.",
  stillToCome: "Still to come: {players}.",
  player: "player {id}",
  listComma: ", ",
  participantsHere: "{here} of {all} participants are here.",
  oneMoreNeeded: "One more participant is needed.",
  onlyOneWaiting: "You are the only one waiting at the moment.",
  peopleWaiting: "{count} participants are waiting.",
  waitTrouble: "This is taking longer than planned. Please keep this page open; you will go on from here.",
  stillThere: "Are you still there? Groups are formed of those who look at this page.",
  iAmHere: "I am here",

  chat: "Chat",
  chatInput: "Your message",
  chatSend: "Send",
  chatParticipant: "Participant {id}",
  chatMe: "{nickname} (Me)",
  chatEmpty: "Please write something first.",
  chatTooLong: "The message is too long. At most {most} characters can be sent.",
  chatSending: "Sending …",
  chatNotSent: "The message was not sent.",

  welcome: "Welcome",
  welcomeText: "Welcome. Press the button when you are ready to begin.",
  begin: "Begin",
  enterLabel: "Please enter your participant label.",
  labelNotFound: "This participant label was not found.",
  waitForSession: "Waiting for your session to begin. This page goes on by itself.",

  finishedTitle: "No more pages left",
  finishedText: "You have finished. Thank you for taking part.",
  completionCode: "Your completion code is",
  takenBack: "You are taken back in a few seconds. If not:",
  completeStudy: "Complete the study",
  replacedTitle: "Your place was taken",
  replacedText:
    "You were away for longer than the others could wait, so the computer plays on in your place. There is nothing more for you to do.",
  replacedPaid: "You are paid {amount} for your part.",

  sessionFullTitle: "Session is full.",
  sessionFullText: "All places are taken. Thank you for your interest; please tell the person who invited you.",
  manyArrivalsTitle: "One moment, please",
  manyArrivalsText:
    "Very many people are starting from your network. Please wait a minute, then go back and press the button again.",
  acceptFirstTitle: "Welcome",
  acceptFirstText: "Please accept the task first; it begins then.",
  noSuchSessionTitle: "There is no such session",
  noSuchSessionText: "Please check that the whole link was copied, or ask the person who gave it to you.",
  noSuchLabTitle: "There is no such lab",
  noSuchLabText: "Please check the address.",
  incompleteLinkTitle: "This link is not complete",
  incompleteLinkText: "Please open exactly the link that you were given: it is for you alone.",
  unknownParticipantTitle: "This link does not lead to anyone",
  unknownParticipantText:
    "Please check that the whole link was copied, or ask the person who gave it to you. The participant may also have been deleted.",

  notReadTitle: "That could not be read",
  notReadText: "Please go back, load the page again and try once more.",
  notAllowedTitle: "Not allowed",
  notAllowedText: "This request did not come from a page of this server.",
  noSuchPageTitle: "There is no such page",
  noSuchPageText: "Please check the address.",
  movedOnTitle: "You have moved on",
  movedOnText: "Please load the page again.",
  tooMuchTitle: "That was too much",
  tooMuchText: "Please go back and send less text at once.",
  failedTitle: "An error occurred",
  failedText:
    "Nothing that you entered before is lost. Please load the page again; if it happens again, tell the person in charge.",
  busyTitle: "One moment, please",
  busyText: "The server cannot take this now. The page tries again by itself.",
  sendAgain: "The server cannot take this now. Please reload this page in a few seconds to send your answers again.",
} as const satisfies Record<string, string>;

type Plural = "zero" | "one" | "two" | "few" | "many";

/** Names of the texts. */
export type TextKey = Exclude<keyof typeof EN, `${string}_${Plural}`>;

/** A language's texts: every one of them, with further forms for plurals where the language has some. */
export type LanguagePack = Readonly<Record<TextKey, string>> &
  Readonly<Partial<Record<`${TextKey}_${Plural}`, string>>>;
