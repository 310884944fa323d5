-- Which of some acts are stored
SELECT DISTINCT act_id FROM {table:Identifier} WHERE act_id IN {act_ids:Array(String)}
