// Asks ClickHouse over HTTP as programs in Go do: for each line of the input, a query, one line of JSON with the rows
// as text, or with the error. An INSERT is filled with numbers and names. Arguments: the address with its options.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

type answer struct {
	Rows  [][]string `json:"rows"`
	Error string     `json:"error"`
}

func main() {
	options, err := clickhouse.ParseDSN(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var given answer
		if strings.HasPrefix(lines.Text(), "INSERT") {
			err = insert(conn, lines.Text())
		} else {
			given.Rows, err = read(conn, lines.Text())
		}
		if err != nil {
			given.Error = err.Error()
		}
		printed, err := json.Marshal(given)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(printed))
	}
}

func insert(conn driver.Conn, query string) error {
	batch, err := conn.PrepareBatch(context.Background(), query)
	if err != nil {
		return err
	}
	for number := range 50_000 {
		if err := batch.Append(uint64(number), fmt.Sprintf("name %d", number)); err != nil {
			return err
		}
	}
	return batch.Send()
}

func read(conn driver.Conn, query string) ([][]string, error) {
	rows, err := conn.Query(context.Background(), query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := [][]string{}
	for rows.Next() {
		values := make([]any, len(rows.ColumnTypes()))
		for place, kind := range rows.ColumnTypes() {
			values[place] = reflect.New(kind.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for place, value := range values {
			text, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			row[place] = string(text)
		}
		found = append(found, row)
	}
	return found, rows.Err()
}
