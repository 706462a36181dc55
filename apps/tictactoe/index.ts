import { defineApp, type GroupOf, integer, text } from "walras";

const LINES = [
  [0, 1, 2],
  [3, 4, 5],
  [6, 7, 8],
  [0, 3, 6],
  [1, 4, 7],
  [2, 5, 8],
  [0, 4, 8],
  [2, 4, 6],
] as const;

const app = defineApp({
  name: "tictactoe",
  title: "Tic-tac-toe",
  doc: "Two players, one board, kept and checked by the server.",
  playersPerGroup: 2,
  constants: { marks: ["X", "O"] },
  group: {
    board: text({ initial: "         ", doc: "Nine characters, row by row: X, O or a blank" }),
    whoseTurn: integer({ initial: 1, doc: "Who is to move, by id_in_group" }),
    winner: integer({ blank: true, doc: "Who has won, by id_in_group; 0: a draw; empty: still playing" }),
  },
});

app.page("Play", {
  live(player, data: { square?: number }) {
    const { group } = player;
    const { square } = data;
    if (square === undefined) {
      // The page was loaded: show the board.
      return { 0: getState(group) };
    }
    const isFree = group.board[square] === " ";
    if (group.winner !== null || group.whoseTurn !== player.idInGroup || !isFree) return;
    saveMove(group, square, player.idInGroup);
    return { 0: { ...getState(group), square, id_in_group: player.idInGroup } };
  },
  jsVars: (player) => ({ my_id: player.idInGroup }),
  errorMessage: (player) => (player.group.winner === null ? "The game is not over yet." : undefined),
});

app.page("Results");

function saveMove(group: GroupOf<typeof app>, square: number, idInGroup: number): void {
  const mark = app.constants.marks[idInGroup - 1] ?? "";
  const board = [...group.board];
  board[square] = mark;
  group.board = board.join("");
  if (LINES.some((line) => line.every((one) => board[one] === mark))) group.winner = idInGroup;
  else if (!board.includes(" ")) group.winner = 0;
  else group.whoseTurn = 3 - idInGroup;
}

function getState(group: GroupOf<typeof app>) {
  return { board: group.board, whose_turn: group.whoseTurn, winner: group.winner };
}

export default app;
