/** A piece of a word: text as it stands, a variable that it refers to, or what only a shell could make. */
export type Piece =
  | { text: string }
  | { variable: string; orElse: readonly Piece[] | null }
  | { command: true };

/** A word of a command, in pieces, and the line that it begins in. */
export interface Word {
  pieces: Piece[];
  line: number;
}

/**
 * The commands of a shell file as lists of words: quotes, comments, continued lines and references to variables are
 * understood, nothing is executed. What it cannot read, such as a quote that is never closed, is thrown as an Error
 * that names the line.
 */
export function shellCommands(source: string): Word[][] {
  return new Reader(source.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')).commands();
}

const isNameStart = (letter: string | undefined) => letter !== undefined && /[A-Za-z_]/.test(letter);

class Reader {
  readonly #source: string;
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  commands(): Word[][] {
    const commands: Word[][] = [];
    let command: Word[] = [];
    const end = () => {
      if (command.length > 0) commands.push(command);
      command = [];
    };
    for (;;) {
      const letter = this.#peek();
      if (letter === undefined) break;
      if (letter === '#') while (this.#peek() !== undefined && this.#peek() !== '\n') this.#next();
      else if ('\n;&|()'.includes(letter)) {
        this.#next();
        end();
      } else if (letter === ' ' || letter === '\t') this.#next();
      else if (letter === '\\' && this.#peek(1) === '\n') {
        this.#next();
        this.#next();
      } else command.push(this.#word());
    }
    end();
    return commands;
  }

  #peek(ahead = 0): string | undefined {
    return this.#source[this.#at + ahead];
  }

  #next(): string {
    const letter = this.#source[this.#at] ?? '';
    this.#at += 1;
    if (letter === '\n') this.#line += 1;
    return letter;
  }

  /** A word: up to a space or the end of its command. */
  #word(): Word {
    const line = this.#line;
    const pieces = this.#pieces(/[\s;&|()]/, false);
    return { pieces, line };
  }

  /** Pieces up to a letter of `stop` that no quote protects, or to the end. */
  #pieces(stop: RegExp, quoted: boolean): Piece[] {
    const pieces: Piece[] = [];
    const add = (text: string) => {
      const last = pieces.at(-1);
      if (last !== undefined && 'text' in last) last.text += text;
      else pieces.push({ text });
    };
    for (;;) {
      const letter = this.#peek();
      if (letter === undefined || stop.test(letter)) return pieces;
      if (letter === '\\') {
        this.#next();
        const escaped = this.#peek();
        if (escaped === undefined) add('\\');
        else if (escaped === '\n') this.#next();
        // Between double quotes a backslash is itself, but before these.
        else add(quoted && !'$`"\\'.includes(escaped) ? `\\${this.#next()}` : this.#next());
      } else if (letter === "'" && !quoted) {
        this.#next();
        add(this.#until("'"));
      } else if (letter === '"') {
        const begun = this.#line;
        this.#next();
        add('');
        for (const piece of this.#pieces(/"/, true)) 'text' in piece ? add(piece.text) : pieces.push(piece);
        if (this.#peek() === undefined) throw new Error(`line ${begun}: a " is never closed`);
        this.#next();
      } else if (letter === '`') {
        this.#next();
        this.#until('`');
        pieces.push({ command: true });
      } else if (letter === '$') {
        this.#next();
        const piece = this.#reference(quoted);
        if ('text' in piece) add(piece.text);
        else pieces.push(piece);
      } else add(this.#next());
    }
  }

  /** What follows a dollar sign. */
  #reference(quoted: boolean): Piece {
    const letter = this.#peek();
    if (isNameStart(letter)) return { variable: this.#name(), orElse: null };
    if (letter === "'" && !quoted) {
      this.#next();
      return { text: this.#ansi() };
    }
    if (letter === '{') return this.#braces();
    if (letter === '(') {
      this.#next();
      this.#parentheses();
      return { command: true };
    }
    // Such as $1, $? or $$: only a shell knows.
    if (letter !== undefined && /[0-9?$!@*#-]/.test(letter)) {
      this.#next();
      return { command: true };
    }
    return { text: '$' };
  }

  #name(): string {
    let name = '';
    while (/[A-Za-z0-9_]/.test(this.#peek() ?? '')) name += this.#next();
    return name;
  }

  /** `${NAME}` and `${NAME:-something}`; any other such form is left to a shell. */
  #braces(): Piece {
    const begun = this.#line;
    this.#next();
    const variable = this.#name();
    let orElse: Piece[] | null = null;
    if (this.#peek() === ':' && this.#peek(1) === '-') {
      this.#next();
      this.#next();
      orElse = this.#pieces(/\}/, true);
    }
    const plain = this.#peek() === '}' && variable !== '';
    while (this.#peek() !== '}') {
      if (this.#peek() === undefined) throw new Error(`line ${begun}: a \${ is never closed`);
      this.#next();
    }
    this.#next();
    return plain ? { variable, orElse } : { command: true };
  }

  #parentheses(): void {
    const begun = this.#line;
    for (let depth = 1; depth > 0; ) {
      if (this.#peek() === undefined) throw new Error(`line ${begun}: a $( is never closed`);
      const letter = this.#next();
      if (letter === "'") this.#until("'");
      else if (letter === '"') {
        this.#pieces(/"/, true);
        this.#next();
      } else if (letter === '\\') this.#next();
      else depth += letter === '(' ? 1 : letter === ')' ? -1 : 0;
    }
  }

  #until(quote: string): string {
    const begun = this.#line;
    let text = '';
    while (this.#peek() !== quote) {
      if (this.#peek() === undefined) throw new Error(`line ${begun}: a ${quote} is never closed`);
      text += this.#next();
    }
    this.#next();
    return text;
  }

  /** `$'...'`, with the usual escapes. */
  #ansi(): string {
    const begun = this.#line;
    let text = '';
    for (;;) {
      if (this.#peek() === undefined) throw new Error(`line ${begun}: a $' is never closed`);
      const letter = this.#next();
      if (letter === "'") return text;
      if (letter !== '\\') text += letter;
      else {
        const escaped = this.#next();
        text += ({ n: '\n', t: '\t', r: '\r' } as Record<string, string>)[escaped] ?? escaped;
      }
    }
  }
}
