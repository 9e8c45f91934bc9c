/** The texts of a time axis: the viewer's zone, 24 hours, the day where one begins. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const two = (n: number) => String(n).padStart(2, '0');

/** `ticks` in Unix ms, `step` the distance of two of them in ms. */
export function timeTexts(ticks: readonly number[], step: number): string[] {
  return ticks.map((tick) => {
    const at = new Date(tick);
    const [month, day] = [MONTHS[at.getMonth()], at.getDate()];
    const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
    if (step >= 300 * DAY) return String(at.getFullYear());
    if (step >= 25 * DAY) return at.getMonth() === 0 ? String(at.getFullYear()) : `${month}`;
    if (step >= DAY || (midnight && at.getMilliseconds() === 0)) return `${day} ${month}`;
    const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
    if (step >= MINUTE) return minutes;
    const seconds = `${minutes}:${two(at.getSeconds())}`;
    return step >= SECOND ? seconds : `${seconds.slice(3)}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  });
}
