-- One file: a row a record; what is not compared is 0. `{key}`, `{amount}`, `{currency}` and `{fields}` are made of its columns, whose names are bound.
SELECT {key} AS key, {amount} AS amount, {currency} AS currency, {fields} AS fields, {side} AS side
FROM file({path}, {format}, {columns})
