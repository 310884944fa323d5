-- How many writes of files failed since the engine was loaded
SELECT sum(value) FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'
