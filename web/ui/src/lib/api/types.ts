/**
 * The contract between the server and this page: what `/api/v1` gives, and the frames of its live views.
 * Times are Unix milliseconds. Text in here comes from the mesh, and is never trusted: show it by `<Text>` or as a text node.
 */
export type * from './types/core';
export type * from './types/views';
export type * from './types/charts';
export type * from './types/mesh';
export type * from './types/alarms';
export type * from './types/farm';
export type * from './types/data';
export type * from './types/filters';
