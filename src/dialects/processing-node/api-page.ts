/** What the API page lists, method by method, in the order that it always had. */
const listed = {
  GET: [
    ['init', 'The initialisation script'],
    ['config', 'The configuration script'],
    ['run', 'The script that runs the software'],
    ['clean', 'The cleaning script'],
    ['input', 'Names and contents of the files in the input folder; null if there is none'],
    ['output', 'Names and contents of the files in the output folder; null if there is none'],
    ['pnsconfig', 'The configuration of this node'],
  ],
  PUT: [
    [
      'init',
      'Initialise the software: make the input and output folders (401 if they cannot be made for serveruser) and run the init script. Gives its return code and status.',
    ],
    ['config', 'Configure the software: run the config script. Gives its return code and status.'],
    ['pnsconf', 'Put another configuration of this node in place of the one that it has, until it stops.'],
    [
      'inittest',
      'Link the four scripts to the ones that the node was installed with, and keep what was there as "*.save". testinit does the same.',
    ],
  ],
  POST: [
    ['calc', 'Run the process definition that the configuration names for this; without one it gives 0.'],
    ['testcalc', 'Make a test product: of the first parameter and the first dataset of the input.'],
    ['echo', 'Give back what was sent.'],
    [
      'run',
      'Deliver the input as files, run the software, and give its output files by name, and its status. sleep/SECONDS runs a pause instead.',
    ],
    ['testrun', 'Run the software on the dataset theName, and give a product with the dataset theAnswer.'],
  ],
  DELETE: [['clean', 'Remove the traces of past runs: run the clean script.']],
} as const;

/** The node's root page: every call with its URL, as the client may use it. */
export function apiPage(base: string, timestamp: number) {
  const page = Object.entries(listed).map(([method, calls]) => [
    method,
    calls.map(([command, description]) => ({ URL: `${base}/${command}`, description })),
  ]);
  return {
    APIs: Object.fromEntries(page) as Record<string, { URL: string; description: string }[]>,
    timestamp,
  };
}
