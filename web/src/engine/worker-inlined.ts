/** The worker inside the page: from `file://` nothing else can be loaded. */
export { default } from './worker?worker&inline';
