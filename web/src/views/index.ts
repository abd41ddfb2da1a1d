/** The views, in the order in which they are offered. */
import type { ComponentType } from 'preact';
import type { ViewName } from '../model/route';
import { Compare } from './compare';
import { Export } from './export';
import { Findings } from './findings';
import { Hex } from './hex';
import { MapView } from './map';
import { Overview } from './overview';
import { Records } from './records';
import { Repair } from './repair';
import { Report } from './report';

export interface View {
  /** Stable: links name it. */
  name: ViewName;
  title: string;
  view: ComponentType;
}

export const views: View[] = [
  { name: 'overview', title: 'Overview', view: Overview },
  { name: 'map', title: 'Map', view: MapView },
  { name: 'findings', title: 'Findings', view: Findings },
  { name: 'hex', title: 'Bytes', view: Hex },
  { name: 'records', title: 'Records', view: Records },
  { name: 'export', title: 'Export', view: Export },
  { name: 'repair', title: 'Repair', view: Repair },
  { name: 'compare', title: 'Compare', view: Compare },
  { name: 'report', title: 'Report', view: Report },
];
