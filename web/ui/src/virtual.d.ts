/** The address of the drawn world (`build/world.ts`). */
declare module 'virtual:world' {
  const url: string;
  export default url;
}
