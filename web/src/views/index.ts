/** The views, in the order in which they are offered. */
import type { ComponentType } from 'preact';
import { Findings } from './findings';
import { Overview } from './overview';

export interface View {
  /** Stable: links name it. */
  name: string;
  title: string;
  view: ComponentType;
}

export const views: View[] = [
  { name: 'overview', title: 'Overview', view: Overview },
  { name: 'findings', title: 'Findings', view: Findings },
];
