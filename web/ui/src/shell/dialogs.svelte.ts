/** Which of the shell's dialogs is open: any page may ask for the one that explains sessions. */

class Dialogs {
  session = $state(false);
}

export const dialogs = new Dialogs();
