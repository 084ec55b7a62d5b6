import { byCodePoint, pythonJson, pythonList } from './python-text.js';

/** What identifies a job that runs elsewhere: the same work is the same job, whoever asks for it and however often. */
interface Identity {
  pipeline_uuid: string;
  /** Missing and empty differ, as in the older system. */
  child_of?: readonly string[];
  /** As `numbersAsWritten` makes it: `1` and `1.0` are different data. */
  data: unknown;
}

/** The text that a job's UUID is computed from (PipelineJobs' identifying fields, in order of their text). */
export function jobIdentity({ pipeline_uuid, child_of, data }: Identity): string {
  const texts = [pipeline_uuid, pythonJson(data)];
  if (child_of !== undefined) texts.push(pythonList(child_of));
  return texts.sort(byCodePoint).join(':');
}

/** The text that a pipeline's UUID is computed from: its name and its components. */
export const pipelineIdentity = (name: string, components: unknown): string =>
  `${name}:${pythonJson(components)}`;
