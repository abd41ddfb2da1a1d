/** Hilbert's curve on a square of 2^order by 2^order cells: neighbours on the curve are neighbours in the square. */

/** Column and row of cell `index` of the curve. */
export function cellOf(order: number, index: number): [number, number] {
  let [x, y] = [0, 0];
  for (let side = 1, rest = index; side < 1 << order; side *= 2) {
    const right = Math.floor(rest / 2) & 1;
    const down = (rest ^ right) & 1;
    [x, y] = turn(side, x, y, right, down);
    x += side * right;
    y += side * down;
    rest = Math.floor(rest / 4);
  }
  return [x, y];
}

/** The cell of the curve that is in column `x` and row `y`. */
export function indexOf(order: number, x: number, y: number): number {
  let index = 0;
  for (let side = (1 << order) / 2; side >= 1; side /= 2) {
    const [right, down] = [(x & side) > 0 ? 1 : 0, (y & side) > 0 ? 1 : 0];
    index += side * side * ((3 * right) ^ down);
    [x, y] = turn(side, x & (side - 1), y & (side - 1), right, down);
  }
  return index;
}

function turn(side: number, x: number, y: number, right: number, down: number): [number, number] {
  if (down === 1) return [x, y];
  return right === 1 ? [side - 1 - y, side - 1 - x] : [y, x];
}
