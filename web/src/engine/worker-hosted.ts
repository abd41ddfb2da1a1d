/** The worker as a file of its own. */
export { default } from './worker?worker';
