-- Columns of a file that says of which types they are.
DESCRIBE TABLE file({path:String}, {format:String})
