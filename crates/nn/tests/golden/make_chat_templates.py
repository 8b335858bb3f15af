"""Makes chat_templates.json: chat templates, and what transformers renders with them.

    pip install -r requirements.txt         (as for make_checkpoints.py)
    python make_chat_templates.py           (writes beside itself; seconds, no network)

The templates are ours; each uses what templates of some family on the hub use. They are compiled and rendered as
`apply_chat_template` does it, with `strftime_now` of 2026-11-05 09:03:07.

| key | what |
|---|---|
| `made_with` | versions |
| `templates` | by name |
| `cases` | template, messages, `add_generation_prompt`, and either `text` or the message of an `error` |
"""

import datetime
import json
from pathlib import Path

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

NOW = datetime.datetime(2026, 11, 5, 9, 3, 7)

TEMPLATES = {
    # Marks around every message; a system message where there is none.
    "marks": """
{%- if messages[0]['role'] != 'system' -%}
    {{- '<|im_start|>system\\nYou answer questions.<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
""",
    # Headers, a date, and the system message taken out and put first.
    "headers": """{{- bos_token }}
{%- if strftime_now is defined %}
    {%- set today = strftime_now("%d %b %Y") %}
{%- else %}
    {%- set today = "1 Jan 2000" %}
{%- endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- if messages[0].role == "system" %}
    {%- set system = messages[0]["content"].strip() %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
<|start|>system<|end|>

{% if tools is not none %}Tools are there.
{% endif %}
Today: {{ today }}

{{ system }}<|stop|>
{% for message in messages %}
    {{- '<|start|>' ~ message.role ~ '<|end|>\\n\\n' + message.content.strip() + '<|stop|>' }}
{%- endfor %}
{% if add_generation_prompt %}<|start|>assistant<|end|>

{% endif %}""",
    # Roles must alternate; the system message goes into the first question.
    "brackets": """{{ bos_token }}{% set ns = namespace(system='', turn=0) %}
{% for message in messages %}
    {% if message.role == 'system' %}
        {% if not loop.first %}{{ raise_exception('A system message must come first.') }}{% endif %}
        {% set ns.system = message.content + '\\n\\n' %}
    {% else %}
        {% if (message.role == 'user') != (ns.turn % 2 == 0) %}
            {{ raise_exception('Roles must alternate user/assistant, but message ' ~ loop.index0 ~ ' is of ' ~ message.role ~ '.') }}
        {% endif %}
        {% if message.role == 'user' %}
[INST] {{ (ns.system if ns.turn == 0 else '') ~ message.content }} [/INST]
        {%- else %}
 {{ message.content }}{{ eos_token }}
        {%- endif %}
        {% set ns.turn = ns.turn + 1 %}
    {% endif %}
{% endfor %}""",
    # Methods, filters, tests, loops with break, macros and JSON.
    "everything": """{% macro quote(text, width=3) %}{% for line in text.split('\\n') %}{{ '>' * width }} {{ line.rstrip() }}
{% endfor %}{% endmacro %}
{# a comment #}
{% for message in messages %}
{% if loop.index > 4 %}{% break %}{% endif %}
{% if message.content is not string %}{% continue %}{% endif %}
{{ loop.index0 }} {{ message.role | upper }} {{ message.role.title() }} {{ loop.last }} {{ message.tool is defined }} {{ message.tool is none }}
{{ quote(message.content) -}}
{{ message | tojson }}
{{ {'a': [1, 2.5, none, true], 'ü<>&': {}} | tojson(indent=2) }}
{{ message.content[:3] }}|{{ message.content[-3:] }}|{{ message.content | length }}|{{ message.content.replace('a', 'b') }}
{% if 'yes' in message.content and message.content.startswith('I') or message.get('name', 'none') == 'x' %}found{% elif loop.previtem is defined %}after {{ loop.previtem.role }}{% endif %}

{% endfor %}
{{ messages | map(attribute='role') | join(', ') }}; {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ tools }} {{ documents is none }} {{ nothing }} {{ nothing is defined }} {{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %a %j %p %I %y %%') }}
{{ namespace(x=1).x + 1 }} {{ range(2, 8, 3) | list | length }} {{ 7 // 2 }} {{ 7 % 3 }} {{ -7 // 2 }} {{ 1 == 1.0 }} {{ 'a' ~ 1 }}
""",
}

CONVERSATIONS = [
    [("user", "Is it safe?")],
    [("system", "  Be brief.\n"), ("user", " What is 2 + 2? \n"), ("assistant", "4"), ("user", "And\n\n3 + 3, as ünï → 'text' <b>?")],
    [("user", "Hello"), ("assistant", "I say yes and a banana"), ("user", "Why?"), ("assistant", "Because.")],
    [("user", "One"), ("user", "Two")],
    [("user", "One"), ("system", "late"), ("assistant", "")],
]


def error(message):
    raise jinja2.exceptions.TemplateError(message)


def case(name, conversation, add):
    messages = [{"role": role, "content": content} for role, content in conversation]
    made = {"template": name, "messages": messages, "add_generation_prompt": add}
    try:
        made["text"] = _compile_jinja_template(TEMPLATES[name]).render(
            messages=messages,
            tools=None,
            documents=None,
            add_generation_prompt=add,
            bos_token="<s>",
            eos_token="</s>",
            strftime_now=NOW.strftime,
        )
    except jinja2.exceptions.TemplateError as raised:
        made["error"] = str(raised)
    return made


def main():
    cases = [case(name, talk, add) for name in TEMPLATES for talk in CONVERSATIONS for add in (False, True)]
    versions = {"transformers": transformers.__version__, "jinja2": jinja2.__version__}
    made = {"made_with": versions, "templates": TEMPLATES, "cases": cases}
    path = Path(__file__).parent / "chat_templates.json"
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    print(sum("text" in case for case in cases), "texts,", sum("error" in case for case in cases), "errors")


if __name__ == "__main__":
    main()
