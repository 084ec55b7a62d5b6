import { paging } from '../domain/query.js';
import { type Method, methods, type ResourceService, type Shown } from '../usecases/resource.js';

/** The schema of a noun in Tastypie's format. */
export function schemaOf(service: ResourceService): Shown {
  const verbs = (list: readonly Method[]) =>
    methods.filter((method) => list.includes(method)).map((method) => method.toLowerCase());
  const fields: Record<string, unknown> = {};
  const filtering: Record<string, unknown> = {};
  const ordering: string[] = [];
  for (const [name, field] of Object.entries(service.fields)) {
    fields[name] = {
      blank: field.blank ?? false,
      default: field.default === undefined ? 'No default provided.' : field.default,
      help_text: field.help_text,
      nullable: field.nullable ?? false,
      primary_key: name === service.key,
      readonly: field.readonly ?? false,
      type: field.type,
      ...(field.type === 'related' ? { related_type: 'to_one', related_schema: `/api/${name}/schema/` } : {}),
      unique: field.unique ?? false,
      verbose_name: name.replaceAll('_', ' '),
    };
    if (field.lookups !== undefined) filtering[name] = field.lookups;
    if (field.orderable) ordering.push(name);
  }
  fields.resource_uri = {
    blank: false,
    default: 'No default provided.',
    help_text: 'The address of the object.',
    nullable: false,
    primary_key: false,
    readonly: true,
    type: 'string',
    unique: false,
    verbose_name: 'resource uri',
  };
  return {
    allowed_detail_http_methods: verbs(service.methods.detail),
    allowed_list_http_methods: verbs(service.methods.list),
    default_format: 'application/json',
    default_limit: paging.defaultLimit,
    fields,
    ...(Object.keys(filtering).length > 0 ? { filtering } : {}),
    ...(ordering.length > 0 ? { ordering } : {}),
  };
}
