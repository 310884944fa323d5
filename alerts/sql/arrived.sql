-- Which of these notifications arrived.
SELECT DISTINCT notification_id
FROM notifications
WHERE notification_id IN {ids:Array(String)} AND outcome = 'sent'
